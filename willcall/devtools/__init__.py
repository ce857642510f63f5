"""Development tools: a local deployment, a callback receiver, an embedded Redis, the demo and `willcall up`."""

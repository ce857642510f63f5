"""Every HTTP request that Willcall sends: to providers, to backends' callback URLs and for documents."""

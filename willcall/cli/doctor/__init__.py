"""`willcall doctor`: checks of a deployment, what each finds, and how to fix it."""

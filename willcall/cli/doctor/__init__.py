"""`willcall doctor`: what is wrong here, and how to mend it. A check is a module, and each has a bound of its own."""

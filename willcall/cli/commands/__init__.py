"""The commands, one module each or one per subject. A module is imported only when its command runs."""

"""Does an upgrade need a quiet hour? The release before and this one, one after the other and beside each other."""

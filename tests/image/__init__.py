"""The images and the compose file, as `.ci/image` built them. Nothing here runs without it."""

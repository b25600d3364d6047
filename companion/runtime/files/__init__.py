"""Files that are written whole, downloads, limits of time, and checks of arguments."""

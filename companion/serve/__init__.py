"""The model elsewhere: exporters to other engines, a server that speaks HTTP, and the app."""

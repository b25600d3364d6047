"""The chat, a server that speaks HTTP, and the app."""

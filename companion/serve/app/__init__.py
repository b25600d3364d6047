"""The app: scripts that Streamlit runs anew at each click; `companion app` starts them.

tell.py is the first page, pages/ has the others, and parts.py what they share.
"""

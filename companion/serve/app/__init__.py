"""The app: scripts that Streamlit runs anew at each click; `companion app` starts them.

main.py is the frame, tell.py, chat.py, compare.py and classify.py are its pages, parts.py is what they share.
"""

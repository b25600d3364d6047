"""The frame of the app: its pages, the device, the sheet of what is drawn. Its one argument is an Offer."""

import sys

import streamlit as st

from companion.serve.marks import style
from companion.serve.offered import Offer

st.set_page_config(page_title="companion", page_icon="🏘️", layout="centered")
if "offer" not in st.session_state:
    st.session_state["offer"] = Offer.from_json(sys.argv[1])
st.html(style())
page = st.navigation(
    [
        st.Page("tell.py", title="Tell", default=True),
        st.Page("chat.py", title="Chat"),
        st.Page("compare.py", title="Compare"),
        st.Page("classify.py", title="Classify"),
    ],
    position="top",
)
st.sidebar.selectbox("Device", st.session_state["offer"].devices, key="device")
page.run()

"""The frame of the app: its pages, the device, the sheet of what is drawn. Its one argument is an Offer."""

import sys

import streamlit as st

from companion.serve.html_parts import style
from companion.serve.offered import Offer

st.set_page_config(page_title="companion: small language models at work", page_icon="🏘️", layout="centered")
if "offer" not in st.session_state:
    st.session_state["offer"] = Offer.from_json(sys.argv[1])
st.session_state["offer"] = st.session_state["offer"].refreshed()  # with the models that came since
st.html(style())
pages = [
    st.Page("tell.py", title="Tell", default=True),
    st.Page("chat.py", title="Chat"),
    st.Page("compare.py", title="Compare"),
    st.Page("classify.py", title="Classify"),
]
page = st.navigation(pages, position="hidden")
st.html('<p class="c-brand"><b>companion</b> – small language models at work on your computer</p>')
with st.container(horizontal=True):  # Streamlit's own list of pages is out of sight on a phone
    for each in pages:
        st.page_link(each)
st.sidebar.selectbox("Device", st.session_state["offer"].devices, key="device")
page.run()

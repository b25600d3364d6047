"""The frame of the app: its pages, the device, the style sheet. Its one argument is an Offer, as JSON."""

import json
import sys

import streamlit as st

from companion.serve.html_parts import style
from companion.serve.offered import Offer, find_offered

st.set_page_config(page_title="companion: small language models at work", page_icon="🏘️", layout="centered")
if "offer" not in st.session_state:
    st.session_state["offer"] = Offer(**json.loads(sys.argv[1]))
offer = st.session_state["offer"]
st.session_state["models"] = find_offered(offer.folders, offer.named)  # also those that came since
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
st.session_state.setdefault("device", offer.devices[0])
page.run()
if len(offer.devices) > 1:
    st.selectbox("Device", offer.devices, key="device")

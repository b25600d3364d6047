# The course in JupyterLab, for a reader without Python:
#
#   docker build -t companion .
#   docker run --rm --init -p 127.0.0.1:8888:8888 -v companion:/home/reader/companion companion
#
# Then open the address with 127.0.0.1 that it prints; the token in it is new each time. What the reader changes stays in the volume.
# PyTorch for Linux brings CUDA along, some gigabytes. Without a GPU, leave them out:
#   --build-arg PIP_EXTRA_INDEX_URL=(PyTorch's index of packages for the processor alone)
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 reader && install -d -o reader -g reader /home/reader/companion
USER reader
ENV PATH=/home/reader/.local/bin:$PATH
WORKDIR /home/reader/companion
COPY --chown=reader:reader . .

ARG PIP_EXTRA_INDEX_URL
RUN pip install --no-cache-dir -r requirements.txt

EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--notebook-dir=.", \
     "--LabApp.default_url=/lab/tree/chapters/00_start.ipynb"]

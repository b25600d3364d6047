# JupyterLab, the app or the API, for a reader without Python:
#
#   docker build -t companion .
#   docker run --rm --init -p 127.0.0.1:8888:8888 -v companion:/home/reader/companion companion
#   docker run --rm --init -p 127.0.0.1:8501:8501 companion app
#   docker run --rm --init -p 127.0.0.1:8000:8000 -e COMPANION_TOKEN companion api
#
# Open the address with 127.0.0.1 that JupyterLab prints; the token in it is new each time. What the reader changes stays in
# the volume. The API takes its token from the environment; no secret is in the image.
# PyTorch for Linux brings CUDA along, some gigabytes. Without a GPU, leave them out:
#   --build-arg PIP_EXTRA_INDEX_URL=(PyTorch's index of packages for the processor alone)
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 reader && install -d -o reader -g reader /home/reader/companion
USER reader
ENV PATH=/home/reader/.local/bin:$PATH
WORKDIR /home/reader/companion
# Beside the volume, so that an old volume does not hide new ones.
COPY --chown=reader:reader docker /home/reader/docker
COPY --chown=reader:reader . .

ARG PIP_EXTRA_INDEX_URL
RUN pip install --no-cache-dir -r requirements.txt -e '.[serve]'

EXPOSE 8888 8501 8000
HEALTHCHECK --interval=30s --timeout=15s --start-period=90s --retries=3 CMD ["python", "/home/reader/docker/health.py"]
ENTRYPOINT ["/bin/sh", "/home/reader/docker/entrypoint.sh"]
CMD ["lab"]

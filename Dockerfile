# The live page, without Keras and TensorFlow:
#
#     docker build -t fer-keras-lite .
#     docker run --rm -p 127.0.0.1:8000:8000 fer-keras-lite --host 0.0.0.0
#
# The page is http://127.0.0.1:8000. `--host 0.0.0.0` lets the server inside the container answer
# Docker; `-p 127.0.0.1:8000:8000` lets only your own machine in. On Linux this serves it as well:
#
#     docker run --rm --network host fer-keras-lite
#
# Photos: docker run --rm -v "$PWD:/photos" --user "$(id -u):$(id -g)" -w /photos \
#     --entrypoint fer fer-keras-lite recognise party.jpg
FROM python:3.12-slim AS wheel
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel /source/packaging/lite

FROM python:3.12-slim
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --no-compile "$(ls /wheel/*.whl)[web]" \
    && rm -r /wheel \
    && useradd --create-home --uid 10001 fer
USER fer
WORKDIR /home/fer
ENV PYTHONUNBUFFERED=1
EXPOSE 8000
ENTRYPOINT ["fer", "webcam", "--no-browser"]

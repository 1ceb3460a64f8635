FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/paydesk

COPY requirements/runtime.txt requirements/
RUN pip install --require-hashes --no-deps --only-binary :all: -r requirements/runtime.txt

COPY . .
RUN python manage.py collectstatic --noinput \
    && rm -rf var \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin paydesk \
    && install -d -o paydesk -g paydesk /data

USER paydesk
ENV WEB_HOST=0.0.0.0
EXPOSE 8000
CMD ["python", "-m", "gunicorn", "config.wsgi", "-c", "python:config.gunicorn"]

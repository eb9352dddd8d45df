"""NANU_PORT alone: one database. NANU_REPLICA_PORT: as examples/django_routers.py has it. NANU_OPTIONS: what sessions that read begin with."""
import os

from settings import DATABASES, DEFAULT_AUTO_FIELD, INSTALLED_APPS, SECRET_KEY, USE_TZ  # noqa: F401

DEFAULT, OPTIONS = DATABASES["default"], {"options": os.environ.get("NANU_OPTIONS", "")}
if "NANU_REPLICA_PORT" in os.environ:
    DATABASES = {"default": {**DEFAULT, "OPTIONS": {"options": "-c nanu.user=shop"}},
                 "replicas": {**DEFAULT, "PORT": os.environ["NANU_REPLICA_PORT"], "OPTIONS": OPTIONS, "TEST": {"MIRROR": "default"}}}
    DATABASE_ROUTERS = ["django_routers.ReplicasRead"]
else:
    DATABASES = {"default": {**DEFAULT, "NAME": os.environ["NANU_DATABASE"], "OPTIONS": OPTIONS}}

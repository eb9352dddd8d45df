"""Django before nanu's two ports: DATABASE_ROUTERS sends writes to the port of the primaries and reads to that of the replicas (`replica_port`).

In settings.py, this file being in the project as django_routers.py:

    NANU = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "shop", "PASSWORD": "…", "HOST": "10.0.0.2", "CONN_MAX_AGE": 60}
    DATABASES = {
        "default": {**NANU, "PORT": 6432, "OPTIONS": {"options": "-c nanu.user=shop"}},
        "replicas": {**NANU, "PORT": 6433, "OPTIONS": {"options": "-c nanu.user=shop -c nanu.consistency=session"}, "TEST": {"MIRROR": "default"}},
    }
    DATABASE_ROUTERS = ["django_routers.ReplicasRead"]

The two connections are two sessions: `nanu.user` is what makes one of them see what the other has written, here all that this application has. Without it,
or with `nanu.consistency=eventual`, the replica's port is faster by what is not waited for, and a page may lack what was just saved.

None of this is needed for replicas to be read: one database with `"OPTIONS": {"options": "-c nanu.consistency=session"}`, on the first port and without
DATABASE_ROUTERS, gives the same answers; nanu tells by itself which statements only read.
"""
from django.db import connections


class ReplicasRead:
    def db_for_read(self, model, **hints):
        # What a transaction has written nobody else sees, and what it has read is of one moment only in one session.
        return "default" if connections["default"].in_atomic_block else "replicas"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, one, other, **hints):
        return True  # they are the same rows

    def allow_migrate(self, db, app_label, **hints):
        return db == "default"

import os

SECRET_KEY = "for a test"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "app", "USER": "app", "PASSWORD": "app-secret",
                         "HOST": "127.0.0.1", "PORT": os.environ["NANU_PORT"], "CONN_MAX_AGE": 60}}

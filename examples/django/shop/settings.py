"""Settings of a development server."""

import os

SECRET_KEY = "for development only"  # noqa: S105
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["shop"]
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SHOP_DB"],
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}

WILLCALL_URL = os.environ["WILLCALL_URL"]
WILLCALL_KEY = os.environ["WILLCALL_KEY"]
WEBHOOK_SECRET = os.environ["WEBHOOK_SECRET"]
SHOP_URL = os.environ["SHOP_URL"]

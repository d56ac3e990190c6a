from django.apps import AppConfig


class ExportsConfig(AppConfig):
    name = "training_bridge.exports"
    label = "exports"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig


class ConstraintsConfig(AppConfig):
    name = "annotate.constraints"
    label = "constraints"
    default_auto_field = "django.db.models.BigAutoField"

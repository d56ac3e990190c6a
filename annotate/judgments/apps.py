from django.apps import AppConfig


class JudgmentsConfig(AppConfig):
    name = "annotate.judgments"
    label = "judgments"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig


class QueueConfig(AppConfig):
    name = "annotate.queue"
    label = "queue"
    default_auto_field = "django.db.models.BigAutoField"

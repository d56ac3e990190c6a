"""The GPU half: torch and transformers, no Django. `python -m training_bridge.trainer RUN_FOLDER`."""

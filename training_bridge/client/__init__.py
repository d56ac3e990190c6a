"""A Python client for researchers and GPU boxes: httpx and the run folder's formats, no Django."""

from training_bridge.client.client import Client, Refused

__all__ = ["Client", "Refused"]

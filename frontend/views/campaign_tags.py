"""Placeholder until the page is written."""

from django.urls import URLPattern

urls: list[URLPattern] = []

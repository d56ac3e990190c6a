"""Which campaigns a token can see."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path
from rest_framework import generics, serializers

from annotate.accounts import models as accounts
from annotate.api.pagination import ByKey
from annotate.campaigns import models
from annotate.campaigns import queries as campaign_queries


class CampaignSerializer(serializers.ModelSerializer[models.Campaign]):
    class Meta:
        model = models.Campaign
        fields = ["slug", "name", "description", "state", "overlap", "created_at"]


class Campaigns(generics.ListAPIView[models.Campaign]):
    """The campaigns the token's user is a member of."""

    scopes = {"GET": None}
    serializer_class = CampaignSerializer
    pagination_class = ByKey
    queryset = models.Campaign.objects.none()

    def get_queryset(self) -> QuerySet[models.Campaign]:
        assert isinstance(self.request.user, accounts.User)
        return campaign_queries.campaigns_of(user=self.request.user)


urls = [path("campaigns", Campaigns.as_view(), name="api-campaigns")]

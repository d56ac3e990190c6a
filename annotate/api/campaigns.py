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
    """`gold_share`, `assisted_share` and `stance` are null for annotators, who judge without knowing any of them."""

    gold_share = serializers.SerializerMethodField(help_text="How many of 100 outputs handed out have known errors.")
    assisted_share = serializers.SerializerMethodField(
        help_text="Of how many of 100 outputs an annotator is shown what trusted checks found."
    )
    stance = serializers.SerializerMethodField(help_text="How a stance that the user states in a prompt is shown.")

    class Meta:
        model = models.Campaign
        fields = [
            "slug",
            "name",
            "description",
            "state",
            "overlap",
            "order",
            "gold_share",
            "assisted_share",
            "stance",
            "is_sensitive",
            "created_at",
        ]

    def get_gold_share(self, campaign: models.Campaign) -> int | None:
        return campaign.gold_share if _is_told(campaign) else None

    def get_assisted_share(self, campaign: models.Campaign) -> int | None:
        return campaign.assisted_share if _is_told(campaign) else None

    def get_stance(self, campaign: models.Campaign) -> str | None:
        return campaign.stance if _is_told(campaign) else None


def _is_told(campaign: models.Campaign) -> bool:
    return getattr(campaign, "my_role", None) not in (None, models.Membership.Role.ANNOTATOR)


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

"""What every address below /campaigns/<slug>/ shares."""

from __future__ import annotations

from rest_framework import views
from rest_framework.request import Request

from annotate.accounts import models as accounts
from annotate.campaigns import models as campaigns
from annotate.campaigns import queries as campaign_queries


class CampaignView(views.APIView):
    """Finds the campaign in the address for the token's user.

    404 when it does not exist or the user is no member; 403 when the user's role is not among `roles`.
    """

    roles: tuple[str, ...] = ("admin", "researcher")
    scopes: dict[str, str | None] = {}

    @property
    def user(self) -> accounts.User:
        user = self.request.user
        assert isinstance(user, accounts.User)
        return user

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        self.campaign: campaigns.Campaign = campaign_queries.require(
            user=self.user, slug=str(kwargs["slug"]), roles=self.roles
        )

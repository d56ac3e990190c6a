"""The people's door: each page's module lists its own addresses."""

from frontend.views import (
    account,
    campaign,
    campaign_new,
    campaign_people,
    campaign_settings,
    campaign_tags,
    checkpoints,
    constraints,
    datasets,
    demo,
    home,
    imports,
    keys,
    outputs,
    runs,
    schedules,
    sign_in,
    work,
)

PAGES = (
    home,
    sign_in,
    account,
    keys,
    campaign_new,
    campaign,
    campaign_tags,
    campaign_people,
    campaign_settings,
    imports,
    outputs,
    work,
    constraints,
    datasets,
    runs,
    checkpoints,
    schedules,
    demo,
)

urlpatterns = [address for page in PAGES for address in page.urls]

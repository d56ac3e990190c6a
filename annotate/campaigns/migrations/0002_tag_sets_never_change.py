"""A saved tag set version cannot be changed, whoever asks: judgments were made with it. Deleting a campaign can."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION campaigns_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a saved tag set never changes; save a new version' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER tag_never_changes BEFORE UPDATE ON campaigns_tag
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION campaigns_refuse_change();
CREATE TRIGGER tag_set_never_changes BEFORE UPDATE ON campaigns_tagset
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION campaigns_refuse_change();
"""
ALLOW = """
DROP TRIGGER tag_never_changes ON campaigns_tag;
DROP TRIGGER tag_set_never_changes ON campaigns_tagset;
DROP FUNCTION campaigns_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]

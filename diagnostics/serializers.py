"""The JSON of a diagnosis. Strangers get only the fields of the short form."""

from typing import Any

from core import serializers
from diagnostics.enums import Culprit, Verdict


class EndpointSerializer(serializers.Serializer[Any]):
    endpoint = serializers.CharField(help_text="host name of PhonePe, or `configured address`")
    reachable = serializers.BooleanField()
    stage = serializers.ChoiceField(
        ["NONE", "DNS", "TCP", "PROXY", "TLS", "HTTP"], help_text="the last layer that worked"
    )


class ShortDiagnosisSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField(help_text="verdict is ok or simulated")
    verdict = serializers.ChoiceField(Verdict.values)
    culprit = serializers.ChoiceField(Culprit.values, help_text="who has to act")
    summary = serializers.CharField()
    checked_at = serializers.CharField()
    endpoints = EndpointSerializer(many=True)


class RungSerializer(serializers.Serializer[Any]):
    layer = serializers.CharField(
        help_text="dns, tcp, proxy, tls, http, credentials, contract, or the name of a dependency"
    )
    family = serializers.CharField(help_text="ipv4, ipv6 or empty")
    target = serializers.CharField()
    ok = serializers.BooleanField(
        allow_null=True, help_text="null: not checked, or no conclusion is possible"
    )
    ms = serializers.IntegerField()
    finding = serializers.CharField(help_text="what exactly is wrong; empty when all is well")
    detail = serializers.CharField()


class LadderSerializer(EndpointSerializer):
    role = serializers.CharField()
    target = serializers.CharField(help_text="host:port")
    way = serializers.CharField(help_text="directly, or the proxy")
    ladder = RungSerializer(many=True)


class DependencySerializer(serializers.Serializer[Any]):
    target = serializers.CharField()
    ok = serializers.BooleanField(allow_null=True)
    ms = serializers.IntegerField()
    finding = serializers.CharField()
    detail = serializers.CharField()


class AlsoSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(Verdict.values)
    culprit = serializers.ChoiceField(Culprit.values)
    summary = serializers.CharField()
    next_action = serializers.CharField()
    troubleshooting = serializers.CharField()


class ServerSerializer(serializers.Serializer[Any]):
    host = serializers.CharField()
    source_addresses = serializers.ListField(child=serializers.CharField())
    public_address = serializers.CharField(allow_null=True)
    name_servers = serializers.ListField(child=serializers.CharField())
    build = serializers.CharField(help_text="which code answers")


class SupportMessageSerializer(serializers.Serializer[Any]):
    to = serializers.CharField()
    subject = serializers.CharField()
    body = serializers.CharField()


class ChangeSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    before = serializers.CharField()
    now = serializers.CharField()


class ChangesSerializer(serializers.Serializer[Any]):
    since = serializers.CharField(help_text="when all was well for the last time")
    changes = ChangeSerializer(many=True)


class RunSerializer(serializers.Serializer[Any]):
    checked_at = serializers.CharField()
    verdict = serializers.ChoiceField(Verdict.values)
    culprit = serializers.ChoiceField(Culprit.values)
    summary = serializers.CharField()
    asked_by = serializers.CharField()


class SettingWarningSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="of the system check, as `payment.W014`")
    text = serializers.CharField()
    remedy = serializers.CharField(allow_blank=True)


class UnknownCodeSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    times = serializers.IntegerField()
    last_seen = serializers.CharField()


class DiagnosisSerializer(ShortDiagnosisSerializer):
    """Everything after `endpoints` stands only in the answer to staff and to X-Ops-Token."""

    endpoints = LadderSerializer(many=True)
    next_action = serializers.CharField(required=False)
    troubleshooting = serializers.CharField(required=False)
    also = AlsoSerializer(many=True, required=False, help_text="further faults, most urgent first")
    controls = LadderSerializer(many=True, required=False)
    checks = RungSerializer(many=True, required=False)
    dependencies = serializers.DictField(child=DependencySerializer(), required=False)
    server = ServerSerializer(required=False)
    config = serializers.DictField(required=False)
    took_ms = serializers.IntegerField(required=False)
    support_message = SupportMessageSerializer(allow_null=True, required=False)
    changed_since_last_ok = ChangesSerializer(allow_null=True, required=False)
    history = RunSerializer(many=True, required=False)
    unknown_codes = UnknownCodeSerializer(
        many=True, required=False, help_text="codes of PhonePe that are not in our table"
    )
    warnings = SettingWarningSerializer(
        many=True, required=False, help_text="what `manage.py check` warns of; it changes no verdict"
    )


class TestPaymentRequest(serializers.Serializer[Any]):
    test_payment = serializers.BooleanField()

    def validate_test_payment(self, value: bool) -> bool:
        if not value:
            raise serializers.ValidationError("Only `true` asks for something.")
        return value

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models

from core import serializers

CHECKS = {
    "form": lambda text: forms.EmailField().clean(text),
    "model": lambda text: models.EmailField().clean(text, None),
    "serializer": lambda text: serializers.EmailField().run_validation(text),
    "function": validate_email,
}


@pytest.mark.parametrize("check", CHECKS)
def test_an_address_that_only_this_machine_can_reach_is_none(check):
    refused = (ValidationError, serializers.ValidationError)
    for address in ("meera@localhost", "meera@[127.0.0.1]", "meera@[::1]", "meera@shop"):
        with pytest.raises(refused, match="Enter a valid email address"):
            CHECKS[check](address)
    CHECKS[check]("meera@example.com")

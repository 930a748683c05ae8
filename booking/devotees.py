"""For whom a puja is performed: what the priest reads out. Said in the cart, kept by the checkout."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from core.texts import plain_line, plain_text

MOST_PEOPLE = 500


class DevoteeDetails(models.Model):
    """Columns of Cart and Checkout. All of them may stay empty."""

    devotee_names = models.CharField(
        max_length=500, blank=True, default="", db_default="", validators=[plain_text]
    )
    gotra = models.CharField(max_length=60, blank=True, default="", db_default="", validators=[plain_line])
    nakshatra = models.CharField(
        max_length=60, blank=True, default="", db_default="", validators=[plain_line]
    )
    people = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_PEOPLE)],
        help_text="how many come; empty: not said",
    )
    wishes = models.CharField(max_length=500, blank=True, default="", db_default="", validators=[plain_text])

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(people=None) | Q(people__range=(1, MOST_PEOPLE)), name="%(class)s_people_or_none"
            )
        ]


DEVOTEE_FIELDS = ("devotee_names", "gotra", "nakshatra", "people", "wishes")
AGREED_DEVOTEES = dict(zip(DEVOTEE_FIELDS, DEVOTEE_FIELDS, strict=True))

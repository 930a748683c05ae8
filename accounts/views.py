from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet
from rest_framework_simplejwt.tokens import Token

from accounts import codes, pan_cards, people, services, session_ends, sessions, uploads
from accounts.authentication import OptionalAuthentication
from accounts.models import Address, OneTimeCode, PanCard, Session, Upload, User
from accounts.permissions import may
from accounts.serializers import (
    AddressSerializer,
    CodeAnswerSerializer,
    CodeRequestSerializer,
    CodeSerializer,
    DetailSerializer,
    EmployeeSerializer,
    LoginAnswerSerializer,
    LoginSerializer,
    NotLoggedInSerializer,
    PanCardChangeSerializer,
    PanCardSerializer,
    PasswordChangeSerializer,
    PasswordResetSerializer,
    PictureSerializer,
    ProfileChangeSerializer,
    ProfileSerializer,
    RefreshSerializer,
    RegisteredSerializer,
    RegistrationSerializer,
    SessionSerializer,
)
from core import serializers
from core.language import Text
from core.networks import client_address
from core.parsers import JSONParser, UploadParser


class PublicView(APIView):
    """Before the login nobody is asked for a token, and a stale one does no harm."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_scope = "session"
    serializer_class: type[serializers.Serializer]

    def get_authenticate_header(self, request: Request) -> str:
        """Makes a refusal 401, though nobody is asked for a token: on 403 the frontend would not log out."""
        return 'Bearer realm="api"'

    def read(self, request: Request) -> dict[str, Any]:
        incoming = self.serializer_class(data=request.data)
        incoming.is_valid(raise_exception=True)
        return dict(incoming.validated_data)


class RegisterView(PublicView):
    serializer_class = RegistrationSerializer
    authentication_classes = (OptionalAuthentication,)  # type: ignore[assignment]
    throttle_scope = "register"

    @extend_schema(operation_id="auth_register", responses={201: RegisteredSerializer})
    def post(self, request: Request) -> Response:
        """Makes an ACTIVE account. A code goes to its address, which shows that somebody reads it.

        With REGISTRATION_BY_CODE the code makes the account: `account_status` is PENDING and `id` null until then, also
        for an address that has an account.

        With `role` EMPLOYEE and the token of staff who may add accounts, an account of an employee, without any right.
        """
        role = request.data.get("role") if isinstance(request.data, Mapping) else None
        if role == User.Role.EMPLOYEE and may(request, "accounts.add_user"):
            incoming = EmployeeSerializer(data=request.data)
            incoming.is_valid(raise_exception=True)
            employee = people.create_employee(**incoming.validated_data)
            return Response(RegisteredSerializer(employee).data, status=status.HTTP_201_CREATED)
        fields = self.read(request)
        if settings.REGISTRATION_BY_CODE:
            registration = services.register(**fields, address=client_address(request._request))
            names = ("email", "phone", "first_name", "last_name", "language")
            person = User(**{name: getattr(registration, name) for name in names}, account_status="PENDING")
        else:
            person = services.create_account(**fields, address=client_address(request._request))
        return Response(RegisteredSerializer(person).data, status=status.HTTP_201_CREATED)


class LoginView(PublicView):
    """Wrong credentials are 400: on 401 the frontend would try to refresh and lose the message.

    Right ones of an account that is not ACTIVE are 200 with its `account_status`, `success` false and no tokens.
    """

    serializer_class = LoginSerializer
    throttle_scope = "login"

    @extend_schema(
        operation_id="auth_login",
        responses=PolymorphicProxySerializer(
            component_name="LoginResult",
            serializers=[LoginAnswerSerializer, NotLoggedInSerializer],
            resource_type_field_name=None,
        ),
    )
    def post(self, request: Request) -> Response:
        address = client_address(request._request)
        user = services.log_in(**self.read(request), address=address)
        tokens = sessions.open_session(
            user, user_agent=request.headers.get("User-Agent", ""), address=address
        )
        return Response(LoginAnswerSerializer((user, tokens)).data)


class RefreshView(PublicView):
    serializer_class = RefreshSerializer

    @extend_schema(operation_id="auth_refresh", responses=SessionSerializer)
    def post(self, request: Request) -> Response:
        tokens = sessions.rotate(self.read(request)["refresh"], address=client_address(request._request))
        return Response(SessionSerializer(tokens).data)


class LogoutView(PublicView):
    """Open to everybody: the holder of a refresh token may end it, also when the access token has expired."""

    serializer_class = RefreshSerializer

    @extend_schema(operation_id="auth_logout", responses={205: None})
    def post(self, request: Request) -> Response:
        sessions.log_out(self.read(request)["refresh"])
        return Response(status=status.HTTP_205_RESET_CONTENT)


class CodeView(PublicView):
    """Everything by POST: a program that opens the links of a mail changes nothing."""

    throttle_scope = "login"
    sentence: Text

    @extend_schema(responses=CodeAnswerSerializer)
    def post(self, request: Request) -> Response:
        self.act(**self.read(request), address=client_address(request._request))
        sentence = str(self.sentence)
        return Response({"success": True, "message": sentence, "detail": sentence})

    def act(self, **fields: str) -> None:
        raise NotImplementedError


class ConfirmationRequestView(CodeView):
    throttle_scope = "code"
    serializer_class = CodeRequestSerializer
    sentence = _("If this address waits for its confirmation, a code is on its way to it.")

    def act(self, **fields: str) -> None:
        codes.request(purpose=OneTimeCode.Purpose.CONFIRM, **fields)


class ConfirmationView(CodeView):
    serializer_class = CodeSerializer
    sentence = _("Your e-mail address is confirmed.")

    def act(self, **fields: str) -> None:
        if not codes.confirm_email(**fields):
            self.sentence = _(
                "Your e-mail address is confirmed. Please choose a password with the code that is on its way to you."
            )


class PasswordResetRequestView(CodeView):
    throttle_scope = "code"
    serializer_class = CodeRequestSerializer
    sentence = _("If there is an account with this address, a code is on its way to it.")

    def act(self, **fields: str) -> None:
        codes.request(purpose=OneTimeCode.Purpose.RESET, **fields)


class PasswordResetView(CodeView):
    serializer_class = PasswordResetSerializer
    sentence = _("Your password has been changed. Please log in.")

    def act(self, **fields: str) -> None:
        codes.reset_password(**fields)


class LogoutEverywhereView(APIView):
    """Ends every session of the caller, this one as well, and those of the admin."""

    throttle_scope = "login"

    @extend_schema(operation_id="auth_logout_everywhere", request=None, responses={205: None})
    def post(self, request: Request) -> Response:
        session_ends.end_all(cast(User, request.user), Session.EndedBecause.EVERYWHERE)
        return Response(status=status.HTTP_205_RESET_CONTENT)


class PasswordChangeView(APIView):
    """By its owner, who knows the old one. Every other session ends; this one goes on."""

    throttle_scope = "login"

    @extend_schema(
        operation_id="auth_password_change", request=PasswordChangeSerializer, responses=DetailSerializer
    )
    def post(self, request: Request) -> Response:
        incoming = PasswordChangeSerializer(data=request.data)
        incoming.is_valid(raise_exception=True)
        session = sessions.session_of(cast(Token, request.auth))
        address = client_address(request._request)
        services.change_password(
            cast(User, request.user), session, address=address, **incoming.validated_data
        )
        return Response({"detail": _("Your password has been changed. You are logged out everywhere else.")})


class ProfileView(APIView):
    @extend_schema(operation_id="auth_profile", responses=ProfileSerializer)
    def get(self, request: Request) -> Response:
        return Response(ProfileSerializer(request.user).data)

    @extend_schema(
        operation_id="auth_profile_change", request=ProfileChangeSerializer, responses=ProfileSerializer
    )
    def patch(self, request: Request) -> Response:
        """The names, the date of birth, the phone, and the language of our mails. Answers the whole profile."""
        incoming = ProfileChangeSerializer(request.user, data=request.data, partial=True)
        incoming.is_valid(raise_exception=True)
        incoming.save()
        return self.get(request)


class ProfilePictureView(APIView):
    """A file of the caller, decided by its content and re-encoded. Answers the whole profile."""

    parser_classes = (JSONParser, UploadParser)
    throttle_scope = "upload"

    @extend_schema(
        operation_id="auth_profile_picture", request=PictureSerializer, responses=ProfileSerializer
    )
    def patch(self, request: Request) -> Response:
        incoming = PictureSerializer(data=request.data, context={"request": request})
        incoming.is_valid(raise_exception=True)
        drawn = uploads.draw(incoming.validated_data["profile_picture"], "profile_picture")
        user = cast(User, request.user)
        uploads.store(user, Upload.Purpose.PROFILE, drawn)
        return Response(ProfileSerializer(user).data)


class PanCardView(APIView):
    """Of the caller. 404 while there is none; PATCH makes it."""

    parser_classes = (JSONParser, UploadParser)
    throttle_scope = "upload"

    @extend_schema(operation_id="auth_pan_card", responses=PanCardSerializer)
    def get(self, request: Request) -> Response:
        card = PanCard.objects.select_related("user").filter(user=cast(User, request.user)).first()
        if card is None:
            raise NotFound()
        return Response(PanCardSerializer(card).data)

    @extend_schema(
        operation_id="auth_pan_card_change", request=PanCardChangeSerializer, responses=PanCardSerializer
    )
    def patch(self, request: Request) -> Response:
        incoming = PanCardChangeSerializer(data=request.data, context={"request": request})
        incoming.is_valid(raise_exception=True)
        user, file = cast(User, request.user), incoming.validated_data.get("pan_card_image")
        drawn = None if file is None else uploads.draw(file, "pan_card_image")
        pan_cards.save(user, incoming.validated_data["pan_number"])
        if drawn is not None:
            uploads.store(user, Upload.Purpose.PAN_CARD, drawn)
        return self.get(request)


class UploadView(PublicView):
    """A picture behind a link that cannot be guessed. Nothing in it runs, whatever a browser takes it for."""

    throttle_classes = ()

    @extend_schema(operation_id="auth_upload", responses={(200, "image/jpeg"): bytes})
    def get(self, request: Request, token: str) -> HttpResponse:
        if (content := uploads.read(token)) is None:
            raise NotFound()
        return HttpResponse(
            content,
            content_type="image/jpeg",
            headers={
                "Content-Disposition": 'inline; filename="picture.jpg"',
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "X-Content-Type-Options": "nosniff",
                "Cross-Origin-Resource-Policy": "cross-origin",
                "Cache-Control": "private, max-age=600",
            },
        )


class AddressViewSet(ModelViewSet):
    """Of the caller alone; anybody else's do not exist. A bare array, as the frontend reads it."""

    queryset = Address.objects.all()
    serializer_class = AddressSerializer
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Address]:
        return super().get_queryset().filter(user_id=self.request.user.pk)

    def perform_create(self, serializer: serializers.BaseSerializer) -> None:
        serializer.instance = services.add_address(cast(User, self.request.user), **serializer.validated_data)

    def perform_update(self, serializer: serializers.BaseSerializer) -> None:
        address = cast(Address, serializer.instance)
        serializer.instance = services.change_address(address, **serializer.validated_data)

    def perform_destroy(self, instance: Address) -> None:
        services.remove_address(instance)

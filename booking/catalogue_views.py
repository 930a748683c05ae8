"""The catalogue as staff see and change it, on the routes that customers read."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import OptionalAuthentication
from accounts.permissions import HasRight, may
from booking.desk_serializers import DeskCategorySerializer, DeskPackageSerializer, DeskServiceSerializer
from booking.filters import with_price
from booking.models import Package, PujaCategory, PujaService
from booking.services import catalogue, pictures
from booking.views import Catalogue, PackageViewSet, PujaCategoryViewSet, PujaServiceViewSet
from core import serializers
from core.parsers import JSONParser, UploadParser


class CataloguePictureView(APIView):
    """A picture of a puja, for `<img>`. Its address names its content, so that a browser asks once."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(
        operation_id="puja_picture",
        parameters=[OpenApiParameter("small", bool, description="for a card")],
        responses={(200, "image/jpeg"): bytes},
    )
    def get(self, request: Request, digest: str) -> HttpResponse:
        content = pictures.read(digest, small="small" in request.query_params)
        if content is None:
            raise NotFound
        headers = {
            "Content-Disposition": 'inline; filename="puja.jpg"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Cache-Control": "public, max-age=31536000, immutable",
        }
        return HttpResponse(content, content_type="image/jpeg", headers=headers)


class DeskCatalogue(Catalogue):
    """Staff with the right to look at these rows see hidden ones too; a stale token is that of a stranger.

    Reading is public and counts nobody, as before; writing needs a right for each verb.
    """

    authentication_classes = (OptionalAuthentication,)  # type: ignore[assignment]
    # To remove is to hide whatever anybody has wanted.
    needed = {"add": "add", "partial_update": "change", "destroy": "change"}
    rows: str  # of which a right is asked for
    written: type[serializers.ModelSerializer[Any]]
    everything: QuerySet[Any]

    def get_permissions(self) -> list[Any]:
        verb = self.needed.get(self.action)
        return [HasRight(f"booking.{verb}_{self.rows}")] if verb else [AllowAny()]

    def get_throttles(self) -> list[Any]:
        return super().get_throttles() if self.action in self.needed else []

    def get_serializer_class(self) -> Any:
        return self.written if self.action in self.needed else super().get_serializer_class()

    def get_queryset(self) -> QuerySet[Any]:
        sees_all = self.action in self.needed or may(self.request, f"booking.view_{self.rows}")
        return self.everything.all() if sees_all else super().get_queryset()

    @action(detail=False, methods=["post"], url_path="create", pagination_class=None, filter_backends=())
    def add(self, request: Request) -> Response:
        return self._save(self.get_serializer(data=request.data), status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        return self._save(self.get_serializer(self.get_object(), data=request.data, partial=True))

    def _save(self, incoming: Any, code: int = status.HTTP_200_OK) -> Response:
        incoming.is_valid(raise_exception=True)
        incoming.save()
        return Response(incoming.data, status=code)


@extend_schema_view(add=extend_schema(responses={201: DeskCategorySerializer}))
class DeskCategoryViewSet(DeskCatalogue, PujaCategoryViewSet):
    rows = "pujaservice"
    queryset = everything = PujaCategory.objects.all()
    written = DeskCategorySerializer

    def destroy(self, request: Request, pk: str) -> Response:
        """409 `category_in_use` while there are pujas in it."""
        catalogue.remove_category(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(add=extend_schema(responses={201: DeskServiceSerializer}))
class DeskServiceViewSet(DeskCatalogue, PujaServiceViewSet):
    rows = "pujaservice"
    queryset = PujaServiceViewSet.queryset
    everything = with_price(PujaService.objects.all()).select_related("category")
    written = DeskServiceSerializer
    parser_classes = (JSONParser, UploadParser)

    def destroy(self, request: Request, pk: str) -> Response:
        """A puja that anybody has wanted is hidden, and keeps its row."""
        catalogue.remove_service(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(add=extend_schema(responses={201: DeskPackageSerializer}))
class DeskPackageViewSet(DeskCatalogue, PackageViewSet):
    rows = "package"
    queryset = PackageViewSet.queryset
    everything = Package.objects.priced()
    written = DeskPackageSerializer

    def destroy(self, request: Request, pk: str) -> Response:
        """A package that anybody has wanted is hidden, and keeps its row."""
        catalogue.remove_package(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

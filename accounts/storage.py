"""Where pictures of people lie: outside of everything that is served, readable by this process alone."""

from django.conf import settings
from django.core.files.storage import FileSystemStorage


def private_storage() -> FileSystemStorage:
    """Without a URL: `accounts.views.UploadView` is the only way to a file."""
    return FileSystemStorage(
        location=settings.UPLOADS_DIR, file_permissions_mode=0o600, directory_permissions_mode=0o700
    )

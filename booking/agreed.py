"""What a customer agrees to at checkout: a column of the row that was offered, and the column of Checkout that keeps
its value. The catalogue may change afterwards, the address may be deleted, and the cart may be used again.
"""

AGREED_SERVICE = {
    "id": "puja_service_id",
    "title": "puja_title",
    "title_hi": "puja_title_hi",
    "image_url": "puja_image_url",
    "description": "puja_description",
    "description_hi": "puja_description_hi",
    "type": "puja_type",
    "duration_minutes": "puja_duration_minutes",
    "created_at": "puja_created_at",
    "updated_at": "puja_updated_at",
}
AGREED_CATEGORY = {
    "id": "category_id",
    "name": "category_name",
    "name_hi": "category_name_hi",
    "created_at": "category_created_at",
    "updated_at": "category_updated_at",
}
AGREED_PACKAGE = {
    "id": "package_id",
    "location": "package_location",
    "location_hi": "package_location_hi",
    "language": "package_language",
    "package_type": "package_type",
    "description": "package_description",
    "description_hi": "package_description_hi",
    "includes_materials": "includes_materials",
    "priest_count": "priest_count",
    "created_at": "package_created_at",
    "updated_at": "package_updated_at",
}
AGREED_PROMO = {
    "id": "promo_code_id",
    "code": "promo_code_text",
    "description": "promo_description",
    "percent": "promo_percent",
    "amount_paise": "promo_amount_paise",
    "min_order_paise": "promo_min_order_paise",
    "max_discount_paise": "promo_max_discount_paise",
}
AGREED_ADDRESS = {
    "id": "address_id",
    "address_line1": "address_line1",
    "address_line2": "address_line2",
    "city": "address_city",
    "state": "address_state",
    "postal_code": "address_postal_code",
    "country": "address_country",
    "is_default": "address_is_default",
    "created_at": "address_created_at",
    "updated_at": "address_updated_at",
}

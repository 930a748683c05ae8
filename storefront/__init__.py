"""Our own shop: pages for customers, over the same services as the API. They work without JavaScript."""

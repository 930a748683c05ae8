from django.urls import path

from backoffice.attention import NEEDS
from backoffice.views import actions, case, closing, people, search, second_factor, slots, staff, today

app_name = "desk"
urlpatterns = [
    path("", today.today, name="today"),
    path("search/", search.results, name="search"),
    path("people/<int:pk>/", people.person, name="person"),
    path("slots/", slots.grid, name="slots"),
    path("slots/add/", slots.series, name="slot-series"),
    path("slots/closed/", slots.closed_days, name="closed-days"),
    path("slots/closed/file/", slots.closed_days_file, name="closed-days-file"),
    path("slots/closed/<int:period_id>/open/", slots.open_days, name="open-days"),
    path("slots/hours/", slots.hours, name="opening-hours"),
    path("case/<str:number>/", case.page, name="case"),
    path("case/<str:number>/note/", case.note, name="case-note"),
    path("case/<str:number>/bundle/", case.bundle, name="case-bundle"),
    path("case/<str:number>/refund/", actions.refund, name="case-refund"),
    path("case/<str:number>/cancel/", actions.cancel, name="case-cancel"),
    path("case/<str:number>/move/", actions.move, name="case-move"),
    path("case/<str:number>/accept/", actions.accept, name="case-accept"),
    path("case/<str:number>/return/", actions.send_back, name="case-return"),
    path("case/<str:number>/stop/", actions.stop, name="case-stop"),
    path("case/<str:number>/end-offer/", actions.end_offer, name="case-end-offer"),
    path("case/<str:number>/refunds/<int:pk>/approve/", actions.approve, name="case-approve"),
    path("case/<str:number>/refunds/<int:pk>/refuse/", actions.refuse, name="case-refuse"),
    path("case/<str:number>/messages/<int:pk>/again/", actions.send_again, name="case-resend"),
    path("approvals/", closing.approvals, name="approvals"),
    path("closing/", closing.closing, name="closing"),
    path("closing/<int:pk>/", closing.closure, name="closure"),
    path("closing/<int:pk>/approve/", closing.approve, name="closure-approve"),
    path("second-factor/", second_factor.step, name="second-factor"),
    path("second-factor/setup/", second_factor.setup, name="second-factor-setup"),
    path("staff/", staff.people, name="staff"),
    path("staff/<int:pk>/role/", staff.role, name="role"),
    path("staff/<int:pk>/second-factor/forget/", staff.forget, name="second-factor-forget"),
    path("tables/", today.tables, name="tables"),
    *(path(f"needs/{need.name}/", today.needs(need), name=f"needs-{need.name}") for need in NEEDS),
]

"""What Django's admin does, told to adminsessions proxy: who, what, to which
object, and from what to what. Put this module in MIDDLEWARE, last:

    MIDDLEWARE = [..., "adminsessions.middleware"]
"""
import contextvars
import json

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db.models.signals import post_save, pre_save

said = contextvars.ContextVar("said", default=None)


def middleware(get_response):
    def handle(request):
        say = {}
        said.set(say)
        response = get_response(request)
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            say.update({"Id": str(user.pk), "Email": user.email, "Name": user.get_full_name() or user.get_username()})
        for name, value in say.items():
            if not name.startswith("_"):
                response["X-Audit-" + name] = value
        return response

    return handle


def before(sender, instance, **kwargs):
    """Remembers what was in the database before."""
    if said.get() is not None and instance.pk and sender is not LogEntry:
        said.get()["_" + str(instance.pk)] = sender._default_manager.filter(pk=instance.pk).values().first() or {}


def after(sender, instance, **kwargs):
    """Says what the admin has noted down, and what is otherwise than before."""
    if said.get() is None or sender is not LogEntry:
        return
    kind = instance.content_type.model
    verb = {ADDITION: "create", CHANGE: "update"}.get(instance.action_flag, "delete")
    said.get().update({"Action": kind + "." + verb, "Resource": "%s/%s %s" % (kind, instance.object_id, instance.object_repr)})
    model = instance.content_type.model_class()
    now = model._default_manager.filter(pk=instance.object_id).values().first() or {}
    old = said.get().get("_" + str(instance.object_id), {})
    changes = {k: [old.get(k), now.get(k)] for k in now if old.get(k) != now.get(k)}
    if changes:
        said.get()["Changes"] = json.dumps(changes, default=str)


pre_save.connect(before, dispatch_uid="adminsessions.before")
post_save.connect(after, dispatch_uid="adminsessions.after")

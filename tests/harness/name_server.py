"""A name server over UDP that answers what it is told to answer."""

import socketserver
import threading
import time
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """Answers over UDP. `known`: addresses by name, or "NXDOMAIN", "SERVFAIL", "TRUNCATED", "silence".

    A callable is called for each query and gives one of these. `seconds`: how long it thinks before it answers.
    `slow`: the same for one name or one kind of record ("AAAA"). `otherwise`: what it says about all other names.
    """

    seconds = 0.0
    otherwise = "NXDOMAIN"

    def __init__(self, place: tuple[str, int] = ("127.0.0.1", 0), **known: Any) -> None:
        self.known = {name.replace("_", "."): said for name, said in known.items()}
        self.slow: dict[str, float] = {}
        self.may_speak = threading.Event()
        self.may_speak.set()
        self._server = socketserver.ThreadingUDPServer(place, self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.address = "{}:{}".format(*self._server.server_address)

    def __enter__(self) -> "NameServer":
        self.start()
        return self

    def start(self) -> None:
        self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        name_server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                asked = dns.message.from_wire(data)
                question = asked.question[0]
                name, kind = (
                    question.name.to_text(omit_final_dot=True),
                    dns.rdatatype.to_text(question.rdtype),
                )
                said = name_server.known.get(name, name_server.otherwise)
                said = said() if callable(said) else said
                name_server.may_speak.wait(30)
                slow = name_server.slow
                time.sleep(max(name_server.seconds, slow.get(name, 0.0), slow.get(kind, 0.0)))
                if said != "silence":
                    sock.sendto(_told(asked, said).to_wire(), self.client_address)

        return Handler


def _told(asked: dns.message.Message, said: Any) -> dns.message.Message:
    told, question = dns.message.make_response(asked), asked.question[0]
    if said == "TRUNCATED":
        told.flags |= dns.flags.TC
        return told
    if isinstance(said, str):
        told.set_rcode(dns.rcode.from_text(said))
        return told
    kind = {dns.rdatatype.A: ".", dns.rdatatype.AAAA: ":"}[question.rdtype]
    if fitting := [address for address in said if kind in address]:
        told.answer.append(dns.rrset.from_text(question.name, 60, "IN", question.rdtype, *fitting))
    return told

"""What people have set: freezes, modes, exceptions, broken glass, the rules in force; signed, and checked again here.

Gate and executor load them from the ledger and follow new ones with `apply`; nobody between trusts a carrier. For one
scope the newest by its own time stands, whatever the order of arrival. A tenant's owner may freeze what is the
tenant's own and lift that again; a freeze by the house is lifted by the house only, and the house may lift both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

import structlog

from estate.clocks import Clock
from estate.errors import BadInput, Denied
from estate.identities import Enrolment, Role
from estate.ids import Digest, InstallationId, SiteId, TenantId
from estate.modes import Freeze, Mode, ModeSetting, Scope
from estate.ratifications import Ratification
from estate.reliefs import BreakGlass, Glass, PolicyException
from policies import dsse, ratifying
from policies.enrolments import Enrolments
from policies.ledger.port import Draft, EntryKind, Ledger
from policies.questions import Ratified
from policies.ratifying import Ratifications
from policies.reliefs import Relief, Reliefs

FREEZE_TYPE: Final = "application/vnd.placet.freeze.v1+json"
MODE_TYPE: Final = "application/vnd.placet.mode.v1+json"
MAX_SKEW: Final = timedelta(seconds=30)
HOUSE: Final = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})

log = structlog.get_logger(__name__)

EXCEPTION_TYPE: Final = "application/vnd.placet.exception.v1+json"
GLASS_TYPE: Final = "application/vnd.placet.break-glass.v1+json"
RATIFICATION_TYPE: Final = "application/vnd.placet.ratification.v1+json"

type Control = Freeze | ModeSetting | PolicyException | BreakGlass | Ratification

_RECORDS: Final[Mapping[str, type[Control]]] = {
    FREEZE_TYPE: Freeze,
    MODE_TYPE: ModeSetting,
    EXCEPTION_TYPE: PolicyException,
    GLASS_TYPE: BreakGlass,
    RATIFICATION_TYPE: Ratification,
}
"""What each type of envelope holds."""
_ENTRIES: Final[Mapping[type[Control], tuple[str, EntryKind]]] = {
    Freeze: ("frozen", EntryKind.FROZEN),
    ModeSetting: ("mode", EntryKind.MODE_SET),
    PolicyException: ("excepted", EntryKind.EXCEPTED),
    BreakGlass: ("glass", EntryKind.GLASS),
    Ratification: ("ratified", EntryKind.RATIFIED),
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """A control that may take effect once it is in the ledger."""

    control: Control
    signer: Enrolment
    by_house: bool
    envelope: bytes

    def draft(self, at: datetime) -> Draft:
        """The ledger entry that must stand before `Controls.apply`."""
        name, kind = _ENTRIES[type(self.control)]
        return Draft(
            kind=kind,
            at=at,
            by=self.control.by,
            body={"envelope": self.envelope.decode()},
            key=f"{name}:{self.control.digest}",
        )


class Controls:
    """The freezes and modes of one installation. `default` is the mode where none is set."""

    def __init__(
        self, installation: InstallationId, enrolments: Enrolments, clock: Clock, default: Mode = Mode.OBSERVE
    ) -> None:
        self._installation = installation
        self._enrolments = enrolments
        self._clock = clock
        self._default = default
        self._by_house: dict[Scope, Freeze] = {}
        self._by_owner: dict[Scope, Freeze] = {}
        self._modes: dict[Scope, ModeSetting] = {}
        self._reliefs = Reliefs()
        self._ratifications = Ratifications()

    def freezes(self, site: SiteId | None, tenants: Iterable[TenantId]) -> tuple[Freeze, ...]:
        """The freezes that stand over the site (None: over any) or, of a tenant's own, over one of `tenants`."""
        concerned = frozenset(tenants)
        standing = (f for f in (*self._by_house.values(), *self._lasting()) if f.frozen)
        return tuple(f for f in standing if _covers(f.scope, site, concerned))

    def mode(self, site: SiteId | None, tenants: Iterable[TenantId]) -> Mode:
        """The most cautious mode set over the site and, for each tenant by itself, over the tenant."""
        own = [self._mode(site, frozenset({tenant})) for tenant in tenants]
        return max(own or [self._mode(site, frozenset())], key=lambda mode: mode.caution)

    def reliefs(self, now: datetime) -> tuple[Relief, ...]:
        """The exceptions and the broken glass in force at `now`."""
        return self._reliefs.in_force(now)

    def exceptions(self) -> tuple[PolicyException, ...]:
        """Every exception that was not revoked, those that have ended among them."""
        return self._reliefs.exceptions()

    def glasses(self, now: datetime | None = None) -> tuple[Glass, ...]:
        """Every pane of glass that was broken, and whether its review is due."""
        return self._reliefs.glasses(now or self._clock())

    def ratified(self, bundle: Digest, now: datetime) -> Ratified:
        """Whether people have signed those rules into force at `now`, and who wrote them."""
        return self._ratifications.ratified(bundle, now)

    def ratification(self, bundle: Digest) -> Ratification | None:
        """The newest word on those rules."""
        return self._ratifications.of(bundle)

    @property
    def settings(self) -> tuple[ModeSetting, ...]:
        """The newest mode of each scope that has one."""
        return tuple(self._modes.values())

    def admit(self, envelope: bytes, now: datetime | None = None) -> Admitted:
        """Check that a freeze or a mode may take effect at `now`; changes nothing.

        Raises:
            Denied: form, signature, time, or the signer's standing does not hold.
        """
        at = now or self._clock()
        control, signer = self._open(envelope, at)
        if control.installation != self._installation:
            raise Denied(f"the control is for `{control.installation}`, this is `{self._installation}`")
        if control.by != signer.subject:
            raise Denied(
                f"the control names `{control.by}` and is signed by `{signer.subject}`; sign with one's own key"
            )
        if control.at > at + MAX_SKEW:
            raise Denied("the control is dated more than 30 s in the future; check the clock that signed it")
        by_house = bool(HOUSE & set(signer.roles))
        if isinstance(control, PolicyException | BreakGlass):
            self._reliefs.check(control, signer, at)
        elif isinstance(control, Ratification):
            ratifying.check(control, signer)
        elif not by_house and not _owns(signer, control):
            raise Denied(f"`{signer.subject}` may not set this; an operator, or the tenant's owner for a freeze, may")
        return Admitted(control, signer, by_house, envelope)

    def apply(self, envelope: bytes, now: datetime | None = None) -> Control:
        """Let a freeze or a mode take effect; one older than what stands for its scope changes nothing.

        Raises:
            Denied: as `admit`.
        """
        admitted = self.admit(envelope, now)
        match admitted.control:
            case ModeSetting() as setting:
                _put(self._modes, setting)
            case Freeze() as freeze:
                _put(self._by_house if admitted.by_house else self._by_owner, freeze)
            case PolicyException() | BreakGlass() as word:
                self._reliefs.take(word, admitted.signer)
            case Ratification() as word:
                self._ratifications.take(word)
            case never:
                assert_never(never)
        return admitted.control

    async def load(self, ledger: Ledger) -> None:
        """Take every freeze and mode in the ledger, each as of the time of its entry. Load the enrolments first."""
        for _, kind in _ENTRIES.values():
            async for entry in ledger.entries(kind=kind):
                try:
                    self.apply(str(entry.body.get("envelope", "")).encode(), entry.at)
                except Denied as error:
                    log.warning("control skipped", entry=entry.index, reason=str(error))

    def _open(self, envelope: bytes, now: datetime) -> tuple[Control, Enrolment]:
        stated = dsse.stated_type(envelope)
        expected = stated if stated in _RECORDS else FREEZE_TYPE
        record = _RECORDS[expected]
        opened = dsse.open_envelope(envelope, expected, self._enrolments.ring(now))
        signer = self._enrolments.of_key(opened.key_ids[0], now)
        if signer is None:
            raise Denied(f"`{opened.key_ids[0]}` is not enrolled; have an administrator enrol it")
        try:
            return record.read(opened.payload), signer
        except BadInput as error:
            raise Denied(f"the payload is no control: {error}") from error

    def _lasting(self) -> Iterable[Freeze]:
        """The owners' freezes that the house has not lifted since."""
        for scope, freeze in self._by_owner.items():
            house = self._by_house.get(scope)
            if house is None or house.frozen or house.at < freeze.at:
                yield freeze

    def _mode(self, site: SiteId | None, tenants: frozenset[TenantId]) -> Mode:
        over = [s.mode for s in self._modes.values() if _covers(s.scope, site, tenants)]
        return max(over or [self._default], key=lambda mode: mode.caution)


def _covers(scope: Scope, site: SiteId | None, tenants: frozenset[TenantId]) -> bool:
    """A tenant's scope covers only what concerns that tenant: an owner cannot hold up what is nobody's."""
    return scope.covers(site, scope.tenant) and (scope.tenant is None or scope.tenant in tenants)


def _owns(signer: Enrolment, control: Freeze | ModeSetting) -> bool:
    owner = isinstance(control, Freeze) and Role.TENANT_OWNER in signer.roles
    return owner and control.scope.tenant is not None and control.scope.tenant in signer.tenants


def _put[C: (Freeze, ModeSetting)](standing: dict[Scope, C], control: C) -> None:
    """Keep the newer of two; of two of one time, the more cautious."""
    held = standing.get(control.scope)
    if held is None or (held.at, _caution(held)) <= (control.at, _caution(control)):
        standing[control.scope] = control


def _caution(control: Freeze | ModeSetting) -> int:
    return int(control.frozen) if isinstance(control, Freeze) else control.mode.caution

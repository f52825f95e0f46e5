"""People, groups, units and roles: who may log in, who is addressed, and what each is called and allowed to do.

Ordinary tables, not events: the directory belongs to another system, and the last import wins (design section 9).
"""

from convstore.directory.person import Person, UserRef
from convstore.directory.service import Directory

__all__ = ["Directory", "Person", "UserRef"]

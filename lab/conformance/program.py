from dataclasses import dataclass
@dataclass(frozen=True)
class Program:
    command: tuple[str, ...]
    patience_s: float = 5.0

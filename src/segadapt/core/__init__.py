"""The ground floor: what every other package may use and what itself knows nobody."""

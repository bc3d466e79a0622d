"""The one trainer, its schedule, its optimiser and its resumable state."""

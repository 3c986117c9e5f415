"""Writing the published directory to files that other systems and offices read."""

from directory.exporting.run import EXPORTS, ExportRefused, ExportReport, Format, export_directory

__all__ = ["EXPORTS", "ExportRefused", "ExportReport", "Format", "export_directory"]

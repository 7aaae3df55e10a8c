"""Redfish resources (DMTF DSP0268) of machines and facilities. `resources.parse` knows each by its `@odata.type`."""

# listDashboards 200
curl "$API/api/v1/dashboards" -H "Authorization: Bearer $IOT_KEY"

# listPacks 200
curl "$API/api/v1/packs" -H "Authorization: Bearer $IOT_KEY"

# listDvrClipRequests 200
curl "$API/api/v1/dvr-clip-requests" -H "Authorization: Bearer $IOT_KEY"

# listFirmware 200
curl "$API/api/v1/firmware" -H "Authorization: Bearer $IOT_KEY"

# getBilling 200
curl "$API/api/v1/billing" -H "Authorization: Bearer $IOT_KEY"

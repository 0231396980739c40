# listSites 200 SITE=content.0.id
curl "$API/api/v1/sites" -H "Authorization: Bearer $IOT_KEY"

# createExport 201 EXPORT=id
curl -X POST "$API/api/v1/exports" \
  -H "Authorization: Bearer $IOT_KEY" -H "Content-Type: application/json" \
  -d "{\"scopeType\": \"SITE\", \"scopeId\": \"$SITE\", \"from\": \"$AN_HOUR_AGO\", \"to\": \"$IN_AN_HOUR\", \"includes\": [\"READINGS\", \"ANNOTATIONS\"]}"

# getExport 200 until status=READY URL=downloadUrl
curl "$API/api/v1/exports/$EXPORT" -H "Authorization: Bearer $IOT_KEY"

# - 200
curl "$URL"
